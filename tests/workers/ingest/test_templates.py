"""Tags of site generators in Markdown."""

from __future__ import annotations

import pytest

from workers.ingest.parsers.markdown import parse as markdown


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('Ask in {% slack_channel "parents" %}.', "Ask in parents."),
        ('See [the list]({% page "/a/b c/" %}) first.', "See the list first."),
        ("See [the list]({{ site.url }}/b) first.", "See the list first."),
        ('See [the list][1].\n\n[1]: {% page "/a b/" %}', "See the list."),
        (
            '{% alert "Doors close at six" %}\nGo home.\n{% endalert %}',
            "Doors close at six\nGo home.",
        ),
        ('{% image "img/door.png" "The door" %}', "The door"),
        ('{{< figure src="door.png" caption="The door" >}}', "The door"),
        ("{% comment %}\nhidden\n{% endcomment %}\nShown.", "Shown."),
        ("Write `{% raw %}` and ${{ secrets.KEY }}.", "Write `{% raw %}` and ${{ secrets.KEY }}."),
    ],
)
def test_tags_of_site_generators_leave_their_words(written: str, read: str) -> None:
    blocks = markdown(written).blocks
    assert "\n".join(block.text for block in blocks).split() == read.split()


def test_code_about_tags_stays_as_it_is() -> None:
    (block,) = markdown('```\n{% page "/a" %}\n```').blocks
    assert block.text.strip() == '{% page "/a" %}'


def test_braces_without_end_are_read() -> None:
    assert markdown("{%" * 20_000).blocks
    assert markdown("{% comment %}" * 5_000 + "end").blocks
