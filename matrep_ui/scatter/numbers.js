// Numbers as a reader wants them.

// A number with about `digits` significant digits, thousands grouped, a true minus sign, no needless zeros.
export function show(value, digits = 4) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-4)) return value.toExponential(2).replace("-", "−").replace("e+", "e");
  const places = size === 0 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  return group(
    value
      .toFixed(Math.min(places, 8))
      .replace(/(\.\d*?)0+$/, "$1")
      .replace(/\.$/, ""),
  );
}

export const count = (value) => group(String(value));

function group(text) {
  const [whole, rest] = text.replace("-", "−").split(".");
  const grouped = whole.replace(/\d(?=(\d{3})+$)/g, "$&,");
  return rest === undefined ? grouped : `${grouped}.${rest}`;
}

// Round numbers between low and high, about `wanted` of them, and how many decimals they need.
export function ticks(low, high, wanted) {
  const span = high - low;
  if (!(span > 0) || !Number.isFinite(span)) return { values: [], decimals: 0 };
  const rough = span / Math.max(wanted, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough * 0.75) * power;
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) values.push(k * step);
  return { values, decimals };
}

export function tickText(value, decimals) {
  if (Math.abs(value) >= 1e7 || decimals > 7) return show(value, 3);
  return group((Math.abs(value) < 1e-12 ? 0 : value).toFixed(decimals));
}
