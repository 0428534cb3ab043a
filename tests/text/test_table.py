"""Tables as plain text and as HTML."""

from study.text.table import Block, table, text_of


def test_a_table_puts_numbers_to_the_right_and_cuts_what_is_too_wide():
    rows = [["a", "1.5", "short"], ["bcd", "-", "a cell that is far too wide"]]
    assert table(["x", "n", "note"], rows, width=20).splitlines() == [
        "x      n  note",
        "a    1.5  short",
        "bcd    -  a cell th…",
    ]


def test_a_block_is_text_and_html_with_its_special_characters_escaped():
    block = Block(["a < b"], ["Name", "Value"], [["x", "1.5"]], ["note"])
    assert block.text() == "a < b\nName  Value\nx       1.5\nnote"
    assert "<p>a &lt; b</p>" in block.html()
    assert '<td style="text-align:right">1.5</td>' in block.html()
    assert text_of([Block(["one"]), Block(["two"])]) == "one\n\ntwo"


def test_a_table_without_rows_is_not_shown():
    block = Block(["0 variants"], ["Name", "Value"], [])
    assert block.text() == "0 variants"
    assert "<table" not in block.html()
