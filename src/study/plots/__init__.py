"""Pictures drawn with matplotlib, as SVG and PNG."""
