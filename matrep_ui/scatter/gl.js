// Points by WebGL2. The frames lie in GPU buffers as the int16 that came; the vertex shader mixes two of them,
// so that a step of the scrubber uploads nothing.

const VERTEX = `#version 300 es
precision highp float;
in float x0; in float y0; in float z0; in float x1; in float y1; in float z1;
in float code; in float state;
uniform mat4 view;
uniform vec3 scale0, origin0, scale1, origin1;
uniform float share, radius, ratio, depth;
uniform sampler2D palette;
uniform vec4 context;
out vec4 fill;
flat out float disc, rim, hollow, chosen, fog; // rim: where the square that is drawn ends
void main() {
  vec3 at = mix(vec3(x0, y0, z0) * scale0 + origin0, vec3(x1, y1, z1) * scale1 + origin1, share);
  gl_Position = view * vec4(at, 1.0);
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

const INPUTS = ["x0", "y0", "z0", "x1", "y1", "z1", "code", "state"];

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
    const { cloud, axes, theme } = scene;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!cloud.count) return;
    gl.useProgram(this.program);

    const { first, second, share } = cloud.around(scene.time);
    const ends = [cloud.frames[first], cloud.frames[second]];
    ends.forEach(({ chunk, local }, end) => {
      const scale = [0, 0, 0],
        origin = [0, 0, 0];
      ["x", "y", "z"].forEach((letter, k) => {
        const place = inputs[`${letter}${end}`],
          axis = axes[k];
        if (axis !== undefined) {
          this.buffer(chunk.q, gl.ARRAY_BUFFER);
          gl.enableVertexAttribArray(place);
          gl.vertexAttribPointer(
            place,
            1,
            gl.SHORT,
            false,
            cloud.dims * 2,
            (local * cloud.count * cloud.dims + axis) * 2,
          );
          scale[k] = chunk.scale;
          origin[k] = chunk.origin[axis];
        } else if (k === 1 && cloud.spread) {
          this.buffer(cloud.spread, gl.ARRAY_BUFFER);
          gl.enableVertexAttribArray(place);
          gl.vertexAttribPointer(place, 1, gl.FLOAT, false, 0, 0);
          scale[k] = 1;
        } else {
          gl.disableVertexAttribArray(place);
          gl.vertexAttrib1f(place, 0);
        }
      });
      gl.uniform3fv(uniforms[`scale${end}`], scale);
      gl.uniform3fv(uniforms[`origin${end}`], origin);
    });

    if (scene.colour) {
      this.buffer(scene.colour.codes, gl.ARRAY_BUFFER);
      gl.enableVertexAttribArray(inputs.code);
      const offset = scene.colour.moving ? scene.frame * cloud.count : 0;
      gl.vertexAttribPointer(inputs.code, 1, gl.UNSIGNED_BYTE, false, 0, offset);
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

  destroy() {
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
