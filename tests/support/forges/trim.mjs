// Cuts an OpenAPI description down to a few operations and what they refer to.
// node trim.mjs SOURCE TARGET PATH...
import { readFileSync, writeFileSync } from "node:fs";

const [source, target, ...paths] = process.argv.slice(2);
const whole = JSON.parse(readFileSync(source, "utf8"));
const kept = { openapi: whole.openapi, info: whole.info, paths: {}, components: {} };
const follow = (value) => {
  if (Array.isArray(value)) return value.forEach(follow);
  if (value === null || typeof value !== "object") return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === "$ref" && typeof inner === "string") {
      const [, , sort, name] = inner.split("/");
      kept.components[sort] ??= {};
      if (!(name in kept.components[sort])) follow((kept.components[sort][name] = whole.components[sort][name]));
    } else follow(inner);
  }
};
for (const path of paths) {
  if (!whole.paths[path]) throw new Error(`${source} has no ${path}`);
  follow((kept.paths[path] = whole.paths[path]));
}
writeFileSync(target, JSON.stringify(kept));
