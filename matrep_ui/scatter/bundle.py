"""The viewer's ES modules joined to one script, because Streamlit takes an inline component as one module.

Each file becomes a function scope of its own, in the order in which the files need one another:

    import { Camera } from "./camera.js";   ->   const { Camera } = $camera;
    export class Camera { … }               ->   class Camera { … }  …  return { Camera };

The files stay plain ES modules: node and browsers load them as they are.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) (\w+))", re.MULTILINE)


@cache
def viewer_script() -> str:
    """Statements that define ``$viewer`` and all that it needs."""
    done: dict[str, str] = {}
    _add("viewer", done)
    return f"const $styles = {json.dumps((FOLDER / 'viewer.css').read_text())};\n" + "\n".join(done.values())


def _add(name: str, done: dict[str, str]) -> None:
    source = (FOLDER / f"{name}.js").read_text()
    for _, needed in _IMPORT.findall(source):
        if needed not in done:
            _add(needed, done)
    names = ", ".join(match[1] for match in _EXPORT.finditer(source))
    inner = _EXPORT.sub("", _IMPORT.sub(lambda m: f"const {{{m[1].replace(' as ', ': ')}}} = ${m[2]};\n", source))
    if re.search(r"^(import|export) ", inner, re.MULTILINE):
        raise ValueError(f"{name}.js has an import or export that bundle.py does not know")
    done[name] = f"const ${name} = (() => {{\n{inner}\nreturn {{ {names} }};\n}})();"


def mounts() -> dict[str, str]:
    """The scripts of the three mounts: the viewer's code, a part of the data, the view."""
    hub = (FOLDER / "hub.js").read_text()
    return {
        "code": f"{hub}\n{viewer_script()}\n{(FOLDER / 'mount_code.js').read_text()}",
        "carrier": f"{hub}\n{(FOLDER / 'mount_carrier.js').read_text()}",
        "view": f"{hub}\n{(FOLDER / 'mount_view.js').read_text()}",
    }
