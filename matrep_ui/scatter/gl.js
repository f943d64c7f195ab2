// Points by WebGL2. The frames lie in GPU buffers as the int16 that came; the vertex shader mixes two of them,
// so that a step of the scrubber uploads nothing.

const SLOTS = 4; // of four coordinates each, for each of the two frames

const VERTEX = `#version 300 es
precision highp float;
in vec4 a0; in vec4 a1; in vec4 a2; in vec4 a3; // coordinates at the one frame
in vec4 b0; in vec4 b1; in vec4 b2; in vec4 b3; // and at the other
in float code; in float state; in float lift;
uniform mat4 view;
uniform vec4 rows[12]; // weights of the coordinates: four for x, four for y, four for z
uniform vec3 shift0, shift1;
uniform float scale0, scale1;
uniform float share, radius, ratio, depth;
uniform sampler2D palette;
uniform vec4 context;
out vec4 fill;
flat out float disc, rim, hollow, chosen, fog; // rim: where the square that is drawn ends
vec3 place(vec4 c0, vec4 c1, vec4 c2, vec4 c3) {
  return vec3(
    dot(rows[0], c0) + dot(rows[1], c1) + dot(rows[2], c2) + dot(rows[3], c3),
    dot(rows[4], c0) + dot(rows[5], c1) + dot(rows[6], c2) + dot(rows[7], c3),
    dot(rows[8], c0) + dot(rows[9], c1) + dot(rows[10], c2) + dot(rows[11], c3));
}
void main() {
  vec3 at = mix(place(a0, a1, a2, a3) * scale0 + shift0, place(b0, b1, b2, b3) * scale1 + shift1, share);
  gl_Position = view * vec4(at.x, at.y + lift, at.z, 1.0);
  int layer = int(state) & 3;
  hollow = float((int(state) >> 2) & 1);
  chosen = layer == 3 ? 1.0 : 0.0;
  float size = radius * (layer == 0 ? 0.8 : layer == 1 ? 1.0 : layer == 2 ? 1.35 : 1.5);
  if (layer == 3) size = max(size, 4.0 * ratio);
  if (layer == 2) size = max(size, 3.0 * ratio);
  disc = max(size / mix(1.0, gl_Position.w, depth), 0.9 * ratio);
  fog = depth * clamp((gl_Position.w - 0.75) * 1.1, 0.0, 0.6) * (layer >= 2 ? 0.3 : 1.0);
  rim = disc + (chosen > 0.0 ? 4.6 * ratio : clamp(disc * 0.16, 0.0, 0.9 * ratio) + 0.6);
  gl_PointSize = 2.0 * rim;
  fill = layer == 0 ? context : vec4(texelFetch(palette, ivec2(int(code), 0), 0).rgb, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
in vec4 fill;
flat in float disc, rim, hollow, chosen, fog;
uniform float ratio, opacity;
uniform vec3 background, ink;
out vec4 colour;
// Share of a pixel that lies inside radius r, at distance d from the middle.
float inside(float r, float d) { return clamp(r - d + 0.5, 0.0, 1.0); }
void main() {
  float d = length(gl_PointCoord - 0.5) * 2.0 * rim;
  float whole = inside(disc, d);
  float line = clamp(disc * 0.42, 0.9 * ratio, 1.7 * ratio);
  float hole = hollow * inside(disc - line, d);
  vec3 tint = mix(fill.rgb, background, fog);
  float alpha = fill.a * (chosen > 0.0 ? 1.0 : opacity);
  // A thin edge of the background keeps points apart where they overlap.
  float edge = inside(disc + clamp(disc * 0.16, 0.0, 0.9 * ratio), d);
  vec4 out_ = vec4(background, 1.0) * edge * alpha * 0.75;
  vec4 body = mix(vec4(tint, 1.0), vec4(background, 1.0), hole) * whole * alpha;
  out_ = body + out_ * (1.0 - whole);
  if (chosen > 0.0) {
    float outer = inside(disc + 4.0 * ratio, d) - inside(disc + 2.0 * ratio, d);
    float gap = inside(disc + 2.0 * ratio, d) * (1.0 - whole);
    out_ = out_ * (1.0 - outer) + vec4(ink, 1.0) * outer;
    out_ = out_ + vec4(background, 1.0) * gap * (1.0 - out_.a);
  }
  if (out_.a < 0.004) discard;
  colour = out_;
}`;

const INPUTS = ["a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3", "code", "state", "lift"];

export class GlRenderer {
  // Returns null where the browser has no WebGL2.
  static create(canvas) {
    const gl = canvas.getContext("webgl2", { alpha: true, antialias: false, premultipliedAlpha: true, depth: false });
    return gl && new GlRenderer(canvas, gl);
  }

  constructor(canvas, gl) {
    this.name = "webgl2";
    this.canvas = canvas;
    this.gl = gl;
    this.build();
  }

  build() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(`The viewer's shader was refused: ${gl.getShaderInfoLog(shader)}`);
      }
      gl.attachShader(program, shader);
    }
    // State is the first attribute because some drivers are slow when attribute 0 is switched off.
    gl.bindAttribLocation(program, 0, "state");
    gl.linkProgram(program);
    this.program = program;
    this.inputs = Object.fromEntries(INPUTS.map((name) => [name, gl.getAttribLocation(program, name)]));
    this.uniforms = {};
    for (let i = 0; i < gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS); i++) {
      const { name } = gl.getActiveUniform(program, i);
      this.uniforms[name] = gl.getUniformLocation(program, name);
    }
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.buffers = new Map(); // typed array -> buffer
  }

  // The GPU buffer of a typed array, uploaded at its first use.
  buffer(array, target) {
    const { gl } = this;
    let buffer = this.buffers.get(array);
    if (!buffer) {
      buffer = gl.createBuffer();
      gl.bindBuffer(target, buffer);
      gl.bufferData(target, array, gl.STATIC_DRAW);
      this.buffers.set(array, buffer);
    } else {
      gl.bindBuffer(target, buffer);
    }
    return buffer;
  }

  // Arrays that changed in place, or that no frame uses any more, are taken off the GPU.
  forget(array) {
    const buffer = this.buffers.get(array);
    if (buffer) this.gl.deleteBuffer(buffer);
    this.buffers.delete(array);
  }

  keepOnly(arrays) {
    for (const array of [...this.buffers.keys()]) if (!arrays.has(array)) this.forget(array);
  }

  setPalette(table) {
    const { gl } = this;
    const texels = new Uint8Array(1024);
    table.forEach((colour, code) => texels.set([...colour, 255], 4 * code));
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, texels);
  }

  resize(width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  // scene: see scene.js
  draw(scene) {
    const { gl, inputs, uniforms } = this;
    if (gl.isContextLost()) return;
    const { cloud, theme } = scene;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!cloud.count) return;
    gl.useProgram(this.program);

    const { first, second, share } = cloud.around(scene.time);
    this.positions(scene, first, second);
    if (scene.strip) {
      this.buffer(cloud.spread, gl.ARRAY_BUFFER);
      gl.enableVertexAttribArray(inputs.lift);
      gl.vertexAttribPointer(inputs.lift, 1, gl.FLOAT, false, 0, 0);
    } else {
      gl.disableVertexAttribArray(inputs.lift);
      gl.vertexAttrib1f(inputs.lift, 0);
    }
    if (scene.colour) {
      const { array, start } = cloud.codesAt(scene.colour, scene.frame);
      this.buffer(array, gl.ARRAY_BUFFER);
      gl.enableVertexAttribArray(inputs.code);
      gl.vertexAttribPointer(inputs.code, 1, gl.UNSIGNED_BYTE, false, 0, start);
    } else {
      gl.disableVertexAttribArray(inputs.code);
      gl.vertexAttrib1f(inputs.code, 0);
    }
    this.buffer(scene.states, gl.ARRAY_BUFFER);
    gl.enableVertexAttribArray(inputs.state);
    gl.vertexAttribPointer(inputs.state, 1, gl.UNSIGNED_BYTE, false, 0, 0);

    gl.uniformMatrix4fv(uniforms.view, false, scene.matrix);
    gl.uniform1f(uniforms.share, share);
    gl.uniform1f(uniforms.radius, scene.radius * scene.ratio);
    gl.uniform1f(uniforms.ratio, scene.ratio);
    gl.uniform1f(uniforms.depth, scene.deep ? 1 : 0);
    gl.uniform1f(uniforms.opacity, scene.opacity);
    gl.uniform4fv(uniforms.context, [...theme.grey.map((v) => v / 255), 0.28]);
    gl.uniform3fv(
      uniforms.background,
      theme.background.map((v) => v / 255),
    );
    gl.uniform3fv(
      uniforms.ink,
      theme.ink.map((v) => v / 255),
    );
    this.buffer(scene.order, gl.ELEMENT_ARRAY_BUFFER);
    gl.drawElements(gl.POINTS, cloud.count, gl.UNSIGNED_INT, 0);
  }

  // Point the coordinates of both frames at their buffers, and set the weights that make a picture of them.
  positions({ projection, cloud, rows }, first, second) {
    const { gl, inputs, uniforms } = this,
      { dims } = projection;
    // Up to 16 coordinates are read four at a time; of more, only those that the rows ask for.
    const slots =
      dims <= 4 * SLOTS
        ? Array.from({ length: Math.ceil(dims / 4) }, (_, k) => [4 * k, Math.min(4, dims - 4 * k)])
        : [...new Set(rows.flatMap((row) => [...row.weights.keys()].filter((d) => row.weights[d])))].map((d) => [d, 1]);
    const weights = new Float32Array(4 * 3 * SLOTS);
    rows.forEach((row, k) =>
      slots.forEach(([from, size], slot) =>
        weights.set(row.weights.subarray(from, from + size), 4 * (SLOTS * k + slot)),
      ),
    );
    gl.uniform4fv(uniforms["rows[0]"], weights);
    [first, second].forEach((frame, end) => {
      const { chunk, local, scale } = projection.frames[frame];
      for (let slot = 0; slot < SLOTS; slot++) {
        const input = inputs[`${"ab"[end]}${slot}`];
        if (slots[slot]) {
          const [from, size] = slots[slot],
            start = local * cloud.count * dims + from;
          this.buffer(chunk.q, gl.ARRAY_BUFFER);
          gl.enableVertexAttribArray(input);
          gl.vertexAttribPointer(input, size, gl.SHORT, false, dims * 2, start * 2);
        } else {
          gl.disableVertexAttribArray(input);
          gl.vertexAttrib4f(input, 0, 0, 0, 0);
        }
      }
      gl.uniform1f(uniforms[`scale${end}`], scale);
      gl.uniform3fv(
        uniforms[`shift${end}`],
        [0, 1, 2].map((k) => (rows[k] ? projection.shiftAt(rows[k], frame) : 0)),
      );
    });
  }

  destroy() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
