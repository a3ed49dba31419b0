// Prints what publint and "Are the types wrong?" say of a packed package: node package.mjs FILE.tgz
import { readFile } from "node:fs/promises";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";

const tarball = new Uint8Array(await readFile(process.argv[2]));
const { messages } = await publint({ strict: true, pack: { tarball: tarball.buffer } });
const { problems } = await checkPackage(createPackageFromTarballData(tarball));
process.stdout.write(
  JSON.stringify([
    ...messages.map(({ code, path }) => `publint: ${code} at ${path.join(".")}`),
    ...problems.map(({ kind, entrypoint, resolutionKind, ...rest }) => `attw: ${kind} of ${entrypoint ?? JSON.stringify(rest)} for ${resolutionKind}`),
  ]),
);
