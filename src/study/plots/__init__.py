"""Charts from plain values: matplotlib figures written as SVG and PNG, plotly figures for notebooks."""
