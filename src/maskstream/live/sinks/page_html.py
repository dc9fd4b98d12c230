"""The page itself."""

from __future__ import annotations

from collections.abc import Set

_CONTROLS = {
    "/panic": '<button id="panic">Hide me</button>',
    "/background": (
        '<form id="background"><input name="what" placeholder="background: a path, blur, #00ff00" size="36">'
        "<button>Change</button></form>"
    ),
    "/subject": '<button id="subject">Find me again</button>',
    "/quit": '<button id="quit">Quit</button>',
}

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>maskstream</title>
<style>
  body { margin: 0; background: #16181c; color: #e8e8e8; font: 15px/1.5 system-ui, sans-serif; }
  main { max-width: 1280px; margin: auto; padding: 1rem; }
  img { display: block; width: 100%%; background: #000; border-radius: 6px; }
  nav { display: flex; flex-wrap: wrap; gap: .6rem; margin: .8rem 0; }
  form { display: flex; gap: .4rem; }
  button, input { font: inherit; color: inherit; background: #2a2e36; border: 1px solid #444a55;
                  border-radius: 6px; padding: .4rem .9rem; }
  button { cursor: pointer; }
  button.on { background: #a33; border-color: #c55; }
  pre { white-space: pre-wrap; color: #9aa3ad; }
</style>
<main>
<img src="stream.mjpg" alt="what leaves">
<nav>%s</nav>
<pre id="status"></pre>
</main>
<script>
"use strict";
const find = (id) => document.getElementById(id);
const say = (text) => { find("status").textContent = text; };
async function post(path, body) {
  const answer = await fetch(path.slice(1), {
    method: "POST",
    body: JSON.stringify(body),
    headers: {"X-Maskstream": "1", "Content-Type": "application/json"},
  });
  if (!answer.ok) throw new Error(await answer.text());
}
const complain = (error) => { held = Date.now() + 4000; say(error.message); };
const attempt = (path, body) => post(path, body).catch(complain);
let hidden = false, held = 0;
const showHidden = () => {
  if (!find("panic")) return;
  find("panic").classList.toggle("on", hidden);
  find("panic").textContent = hidden ? "Show me" : "Hide me";
};
const panic = () => { hidden = !hidden; showHidden(); attempt("/panic", hidden); };
find("panic")?.addEventListener("click", panic);
find("quit")?.addEventListener("click", () => attempt("/quit", null));
find("subject")?.addEventListener("click", () => attempt("/subject", "auto"));
find("background")?.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt("/background", event.target.what.value);
});
document.addEventListener("keydown", (event) => {
  if (event.code === "Space" && find("panic") && !/INPUT|BUTTON/.test(event.target.tagName)) {
    event.preventDefault();
    panic();
  }
});
setInterval(async () => {
  let text = "not running";
  try {
    const status = await (await fetch("status.json")).json();
    if ("slate" in status) { hidden = status.slate === "asked for"; showHidden(); }
    const told = ([name, value]) => name + ": " + JSON.stringify(value);
    text = status.line ?? Object.entries(status).map(told).join("\\n");
  } catch (error) { /* it has ended */ }
  if (Date.now() > held) say(text);
}, 1000);
</script>
</html>
"""


def page_html(posts: Set[str]) -> str:
    """The page with the controls that something answers.

    Args:
        posts: paths that can be posted to, in JSON: ``/panic`` is sent whether the slate is wanted,
            ``/background`` what is wanted behind, ``/subject`` ``"auto"``, ``/quit`` ``null``.
    """
    return _PAGE % "".join(html for path, html in _CONTROLS.items() if path in posts)
