"""What a notebook shows."""

import base64
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._diagnose import Diagnosis, Fix

# Notebooks say in attributes whether they are dark (Jupyter, VS Code, Colab); the system's own wish isn't theirs.
STYLE = """<style>
.optbench { --ink: #1d1d1d; --soft: #5f5f5f; --line: #d8d8d8; --code: #f4f4f4; color: var(--ink); max-width: 66em;
  font: 14px/1.5 system-ui, sans-serif; }
[data-jp-theme-light="false"] .optbench, [data-vscode-theme-kind*="dark"] .optbench, html[theme="dark"] .optbench {
  --ink: #e6e6e6; --soft: #a8a8a8; --line: #4a4a4a; --code: #2a2a2a; }
.optbench .verdict { font-size: 1.15em; font-weight: 600; margin: .2em 0 .6em; }
.optbench .soft { color: var(--soft); }
.optbench img { width: 100%; max-width: 54em; display: block; margin: .6em 0; }
.optbench img.dark, [data-jp-theme-light="false"] .optbench img.light,
[data-vscode-theme-kind*="dark"] .optbench img.light, html[theme="dark"] .optbench img.light { display: none; }
[data-jp-theme-light="false"] .optbench img.dark, [data-vscode-theme-kind*="dark"] .optbench img.dark,
html[theme="dark"] .optbench img.dark { display: block; }
/* Notebooks have styles of their own for tables of numbers, which are more specific. */
.optbench table { border-collapse: collapse; margin: .4em 0; width: 100%; table-layout: auto !important;
  font-size: 1em !important; color: var(--ink) !important; }
.optbench tr { background: transparent !important; }
.optbench th, .optbench td { text-align: left !important; vertical-align: top !important; border: 0 !important;
  border-bottom: 1px solid var(--line) !important; padding: .3em .7em .3em 0 !important; background: transparent;
  white-space: normal !important; max-width: none !important; }
.optbench .number { text-align: right !important; white-space: nowrap !important; }
.optbench pre { margin: 0 !important; padding: .3em .5em !important; background: var(--code) !important;
  color: var(--ink) !important; text-align: left; white-space: pre-wrap; word-break: normal !important; border-radius: 3px;
  font: 12px/1.4 ui-monospace, monospace !important; }
.optbench details summary { cursor: pointer; }
</style>"""

# A frame's page takes the frame's scheme for what is preferred.
FRAME_STYLE = """<style>
.optbench-page { width: 100%; border: 0; color-scheme: light; }
[data-jp-theme-light="false"] .optbench-page, [data-vscode-theme-kind*="dark"] .optbench-page,
html[theme="dark"] .optbench-page { color-scheme: dark; }
</style>"""
SHOWN = 8  # Fixes that are shown at once; the others are behind a click.

OTHER_STARTS = ("restarts", "usual start")


def diagnosis_page(found: "Diagnosis") -> str:
    """The sentence, the findings, the loss and its gradient, and the fixes with the code to paste."""
    verdict, _, rest = found.verdict.partition(": ")
    sentences = [f'<p class="verdict">{html.escape(verdict)}</p>', f"<p>{html.escape(rest)}</p>" if rest else ""]
    others = [f"<li>{html.escape(f.cause)}: {html.escape(f.evidence)}</li>" for f in found.findings[1:]]
    more = [f"<p>Also found:</p><ul>{''.join(others)}</ul>"] if others else []
    figures = [figure(found, "profile", "the loss and its gradient, with the start marked")]
    figures += [
        folded("Your run and the fixes", figure(found, "descent", "error over steps, of your run and the fixes"))
    ]
    fixes = [fix for fix in found.fixes if fix.reached]
    table = fixes_table(found, fixes[:SHOWN]) if fixes else "<p>No fix arrived.</p>"
    rest_of_fixes = folded(f"{len(fixes) - SHOWN} more fixes", fixes_table(found, fixes[SHOWN:]))
    parts = [STYLE, *sentences, *more, figures[0], table, rest_of_fixes if len(fixes) > SHOWN else "", figures[1]]
    return f'<div class="optbench">{"".join(parts)}<p class="soft">{html.escape(found.region)}</p></div>'


def fixes_table(found: "Diagnosis", fixes: "list[Fix]") -> str:
    has_line = any(fix.line_fit is not None for fix in found.fixes)
    head = (
        "<th>Change</th><th class=number>Steps</th>"
        + "<th class=number>In a line fit</th>" * has_line
        + "<th>Code</th>"
    )
    rows = []
    for fix in fixes:
        line = f'<td class="number">{steps(fix.line_fit)}</td>' if has_line else ""
        other = "another start" if fix.name in OTHER_STARTS else "another loss"
        code = f"<pre>{html.escape(fix.code)}</pre>" if fix.code else f'<span class="soft">{other}</span>'
        own = f'<td>{html.escape(fix.change)}</td><td class="number">{steps(fix.steps)}</td>'
        rows.append(f"<tr>{own}{line}<td>{code}</td></tr>")
    yours = steps(fixes[0].baseline_steps) if fixes else ""
    own = (
        f'<tr><td class="soft">your run</td><td class="number soft">{yours}</td>{"<td></td>" * has_line}<td></td></tr>'
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}{own}</tbody></table>"


def steps(count: int | None) -> str:
    return "never" if count is None else f"{count:,}".replace(",", " ")


def figure(found: "Diagnosis", name: str, alternative: str) -> str:
    """A figure for light and for dark notebooks; the style shows one."""
    kinds = {"light": found.figures[name], "dark": found.figures[f"{name}-dark"]}
    return "".join(
        f'<img class="{kind}" alt="{html.escape(alternative)}" src="data:image/svg+xml;base64,{encoded(svg)}">'
        for kind, svg in kinds.items()
    )


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def folded(title: str, content: str) -> str:
    return f"<details><summary>{html.escape(title)}</summary>{content}</details>"


def framed(page: str, height: int = 640) -> str:
    """A whole page inside a notebook, with its own styles and scripts, apart from the notebook's."""
    return (
        f'{FRAME_STYLE}<iframe class="optbench-page" sandbox="allow-scripts" style="height: {height}px" '
        f'srcdoc="{html.escape(page, quote=True)}"></iframe>'
    )
