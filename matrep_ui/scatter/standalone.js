// The viewer with its data as one page that needs nothing else: the script that this module is part of, its styles
// and the parts of the data. The page starts where the viewer stands; linked viewers come with it, side by side.

const THEME = [
  "--st-background-color",
  "--st-secondary-background-color",
  "--st-text-color",
  "--st-primary-color",
  "--st-font",
  "--st-base-radius",
];

export async function toHtml(viewer) {
  const script = await (await fetch(import.meta.url)).text();
  const { members } = viewer.linked,
    style = getComputedStyle(viewer.root);
  const title = [viewer.label, viewer.caption].filter(Boolean).join(" · ");
  const theme = THEME.map((name) => `${name}: ${style.getPropertyValue(name).trim()};`).join(" ");
  const views = members.map(({ options, start }) => ({ ...options, start: start(), ask: null, alone: true }));
  const packed = {};
  for (const { options, parts } of members)
    for (const id of Object.values(options.parts)) packed[id] ??= await deflated(parts.get(id).bytes);
  const inScript = (value) => JSON.stringify(value).replace(/</g, "\\u003c");
  const source = script.replace(/<\/script/gi, "<\\/script");
  const page = document.implementation.createHTMLDocument(title);
  page.documentElement.lang = "en";
  const pageStyle = page.createElement("style");
  pageStyle.textContent = `:root { ${theme} }
body { margin: 1.5rem; background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); }
h1 { font-size: 1.3rem; font-weight: 600; }
#viewers { display: grid; grid-template-columns: repeat(${views.length}, minmax(0, 1fr)); gap: 1rem; }`;
  const charset = page.createElement("meta");
  charset.setAttribute("charset", "utf-8");
  page.head.prepend(charset);
  page.head.append(pageStyle);
  const heading = page.createElement("h1");
  heading.textContent = title;
  const mount = page.createElement("div");
  mount.id = "viewers";
  page.body.append(heading, mount);
  const module = page.createElement("script");
  module.type = "module";
  module.textContent = `${source}
code();
const packed = ${inScript(packed)};
const views = ${inScript(views)};
for (const [id, text] of Object.entries(packed)) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  hub.parts.set(id, { bytes: new Uint8Array(await new Response(stream).arrayBuffer()) });
}
for (const options of views) {
  const place = document.getElementById("viewers").appendChild(document.createElement("div"));
  hub.viewer.createViewer(place, hub.styles).update({ data: options, setStateValue() {} }, hub.parts);
}
`;
  page.body.append(module);
  return new Blob([`<!doctype html>\n${page.documentElement.outerHTML}\n`], { type: "text/html" });
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  let text = "";
  for (let k = 0; k < packed.length; k += 0x8000) text += String.fromCharCode(...packed.subarray(k, k + 0x8000));
  return btoa(text);
}
