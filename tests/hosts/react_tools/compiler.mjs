// Prints what React Compiler and React's own lint say of a folder of sources: node compiler.mjs FOLDER
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import babel from "@babel/core";
import parser from "@babel/eslint-parser";
import { Linter } from "eslint";
import hooks from "eslint-plugin-react-hooks";

const parserOpts = { plugins: ["typescript", "jsx"] };
const parserOptions = { requireConfigFile: false, babelOptions: { parserOpts } };
const { plugins, rules } = hooks.configs.flat["recommended-latest"];
const config = { files: ["**"], plugins, rules, languageOptions: { parser, parserOptions } };

const folder = process.argv[2];
const compiled = [];
const said = [];
for (const name of readdirSync(folder, { recursive: true }).filter((each) => /\.tsx?$/.test(each))) {
  const code = readFileSync(join(folder, name), "utf8");
  const logEvent = (_file, { kind, fnName, fnLoc, detail, reason }) => {
    if (kind === "CompileSuccess") compiled.push(fnName);
    else said.push(`${name}:${fnLoc?.start.line}: ${kind} ${detail ?? reason}`);
  };
  const compiler = ["babel-plugin-react-compiler", { panicThreshold: "none", logger: { logEvent } }];
  babel.transformSync(code, { filename: name, configFile: false, babelrc: false, parserOpts, plugins: [compiler] });
  for (const { line, ruleId, message } of new Linter().verify(code, config, name)) said.push(`${name}:${line}: ${ruleId}: ${message}`);
}
process.stdout.write(JSON.stringify({ compiled, said }));
