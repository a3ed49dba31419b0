// A DynamoDB that outlives its own death: dynalite, on a folder. `node server.mjs PORT FOLDER`

import dynalite from "dynalite";

const [port, path] = process.argv.slice(2);
const server = dynalite({ path });
const [answer] = server.listeners("request");

// dynalite knows no time to live, and refuses what sets it.
server.removeAllListeners("request").on("request", (request, response) => {
  if (request.headers["x-amz-target"]?.endsWith(".UpdateTimeToLive")) {
    request.resume().on("end", () => response.setHeader("content-type", "application/x-amz-json-1.0").end("{}"));
  } else {
    answer(request, response);
    // It throws the error of a request whose client has died, and dies with it.
    request.removeAllListeners("error").on("error", () => {});
  }
});

server.listen(Number(port), "127.0.0.1");
