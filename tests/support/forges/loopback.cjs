// The emulator listens on every interface; a test's server belongs on loopback.
const { Server } = require("node:net");
const listen = Server.prototype.listen;
Server.prototype.listen = function (port, ...rest) {
  if (typeof port !== "number") return listen.call(this, port, ...rest);
  const called = rest.filter((value) => typeof value === "function");
  return listen.call(this, { port, host: "127.0.0.1" }, ...called);
};
