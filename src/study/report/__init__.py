"""The report of a study: sections made from its folders, written as an HTML page and as Markdown."""
