#!/usr/bin/env node
// The entry that every Node can parse: it says what Grapevine needs before anything newer is read.
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
import("node:module")
  .then((module) => {
    module.enableCompileCache?.();
    return import("./main.ts");
  })
  .then((main) => main.run(process.argv.slice(2)));
