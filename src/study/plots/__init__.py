"""Charts from plain values: matplotlib's as SVG and PNG for files, plotly's for notebooks."""
