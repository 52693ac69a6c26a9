/**
 * Stages what is published: `dist/` with the compiled program and a package.json of its own. The
 * root package.json is private and brings a whole Node, which must never reach a user.
 *
 * The compiled files lie in `dist/lib` so that they are as deep under their package.json as the
 * sources in `src` are under the root's.
 */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const dist = join(root, "dist");

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly type: string;
  readonly engines: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

function compile(): void {
  const compiler = join(root, "node_modules/.bin/tsc");
  const result = spawnSync(compiler, ["-p", join(root, "tsconfig.build.json")], {
    stdio: "inherit",
  });
  if (result.status !== 0) throw new Error(`tsc ended with status ${result.status}`);
}

/** Data and assets lie beside the sources; the compiler copies only what it compiles. */
function copyAssets(): void {
  cpSync(join(root, "src"), join(dist, "lib"), {
    recursive: true,
    filter: (path) => !path.endsWith(".ts"),
  });
  for (const file of ["LICENSE", "README.md", "CHANGELOG.md"]) {
    if (existsSync(join(root, file))) copyFileSync(join(root, file), join(dist, file));
  }
}

function doorOf(file: string): { types: string; default: string } {
  return { types: `./lib/${file}.d.ts`, default: `./lib/${file}.js` };
}

function writeManifest(): void {
  const text = readFileSync(join(root, "package.json"), "utf8");
  const manifest = JSON.parse(text) as Manifest;
  const published = {
    name: manifest.name,
    version: manifest.version,
    description: manifest.description,
    license: manifest.license,
    type: manifest.type,
    engines: manifest.engines,
    bin: { millrace: "./lib/main.js" },
    exports: {
      ".": doorOf("index"),
      "./testing": doorOf("testing/testing"),
      "./package.json": "./package.json",
    },
    dependencies: manifest.dependencies,
  };
  writeFileSync(join(dist, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** npm links the command to this file, which the system then runs by its first line. */
function makeCommand(): void {
  const path = join(dist, "lib/main.js");
  const text = readFileSync(path, "utf8");
  const shebang = "#!/usr/bin/env node\n";
  if (!text.startsWith("#!")) writeFileSync(path, shebang + text);
  chmodSync(path, 0o755);
}

function requireDoors(): void {
  const doors = ["index", "testing/testing", "main"].map((file) => join(dist, `lib/${file}.js`));
  const missing = doors.filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Error(`the package lacks ${missing.join(", ")}`);
}

rmSync(dist, { recursive: true, force: true });
mkdirSync(dirname(join(dist, "lib")), { recursive: true });
compile();
requireDoors();
copyAssets();
writeManifest();
makeCommand();
process.stdout.write(`staged ${dist}; publish with: npm publish ${dist}\n`);
