#!/usr/bin/env node
// The entry that every Node can parse: it says what Grapevine needs before anything newer is read.
// Compiled code is cached beside the dependencies: it halves the time to start, and an agent that
// finds it there never loads the type stripper, which takes 40 MB.
var major = Number(process.versions.node.split(".")[0]);
if (major < 24) {
  process.stderr.write(
    "grapevine needs Node 24 or newer; this is Node " +
      process.versions.node +
      " (" +
      process.execPath +
      ").\n" +
      "In a checkout, `npm ci` installs the right one: run `npx grapevine …` or an npm script.\n",
  );
  process.exit(1);
}
Promise.all([import("node:module"), import("node:url")])
  .then(([module, url]) => {
    module.enableCompileCache(
      process.env.NODE_COMPILE_CACHE ||
        url.fileURLToPath(new URL("../node_modules/.cache/grapevine", import.meta.url)),
    );
    return import("./main.ts");
  })
  .then((main) => main.run(process.argv.slice(2)));
