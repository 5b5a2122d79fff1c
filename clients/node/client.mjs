// A client of rkd for Node: loads the .proto files, lists the models, streams an answer.
//
//   npm install
//   node client.mjs ADDRESS PROTO_FOLDER [MODEL PROMPT [MAX_TOKENS]]
//
// ADDRESS is host:port or unix:/path. RKD_TOKEN is sent where it is set. Every line on stdout is
// one JSON object; on an error the last line on stderr is {code, reason, message}, exit code 1.

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import protobuf from "protobufjs";

const [address, protoFolder, model, prompt, maxTokens = "32"] = process.argv.slice(2);
if (!protoFolder) {
  console.error("usage: node client.mjs ADDRESS PROTO_FOLDER [MODEL PROMPT [MAX_TOKENS]]");
  process.exit(2);
}

const definition = protoLoader.loadSync(
  ["rkd/v1/models.proto", "rkd/v1/inference.proto"],
  { includeDirs: [protoFolder], keepCase: true, longs: Number, enums: String, oneofs: true, defaults: true },
);
const rkd = grpc.loadPackageDefinition(definition).rkd.v1;
const credentials = grpc.credentials.createInsecure();
const models = new rkd.ModelService(address, credentials);
const inference = new rkd.InferenceService(address, credentials);

const metadata = new grpc.Metadata();
if (process.env.RKD_TOKEN) {
  metadata.set("authorization", `Bearer ${process.env.RKD_TOKEN}`);
}
const within = (seconds) => ({ deadline: Date.now() + seconds * 1000 });

// What every error of rkd carries beside code and message, as google.rpc has it.
const shapes = `
  syntax = "proto3";
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`;
const { root } = protobuf.parse(shapes, { keepCase: true });

function reasonOf(error) {
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  const details = packed ? root.lookupType("Status").decode(packed).details : [];
  const info = details.find((one) => one.type_url.endsWith("/google.rpc.ErrorInfo"));
  return info ? root.lookupType("ErrorInfo").decode(info.value).reason : "";
}

function fail(error) {
  const code = grpc.status[error.code] ?? "";
  console.error(
    JSON.stringify({ code, reason: reasonOf(error), message: error.details ?? String(error) }),
  );
  process.exitCode = 1;
}

function list() {
  return new Promise((resolve, reject) => {
    models.List({ page_size: 100 }, metadata, within(30), (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

async function stream(call) {
  for await (const event of call) {
    console.log(JSON.stringify({ [event.event]: event[event.event] }));
  }
}

try {
  const answer = await list();
  console.log(JSON.stringify({ models: answer.models.map((one) => one.name) }));
  if (model) {
    const options = { sampling: { temperature: 0, max_tokens: Number(maxTokens) } };
    await stream(inference.Generate({ model, prompt, options }, metadata, within(120)));
    const messages = [{ role: "user", content: prompt }];
    await stream(inference.Chat({ model, messages, options }, metadata, within(120)));
  }
} catch (error) {
  fail(error);
}
models.close();
inference.close();
