// Fills the compile cache after `npm ci`, so that the first agent starts as fast and as small as
// every later one. Never fails an installation: without the cache everything only starts slower.
var major = Number(process.versions.node.split(".")[0]);
if (major >= 24) {
  Promise.all([import("node:module"), import("node:url")])
    .then(([module, url]) => {
      module.enableCompileCache(
        url.fileURLToPath(new URL("../node_modules/.cache/grapevine", import.meta.url)),
      );
      return Promise.all([import("./main.ts"), import("../agent/daemon.ts")]);
    })
    .then(
      () => process.exit(0),
      () => process.exit(0),
    );
}
