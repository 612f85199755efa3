// A fan-out server on socket.io: each connection joins a room, and what is published goes to all.
const http = require("http").createServer();
const { Server } = require("socket.io-4");
const io = new Server(http, { pingInterval: 600000, pingTimeout: 600000 });
io.on("connection", (socket) => {
  socket.join("c");
  socket.emit("ready");
  socket.on("pub", (body) => io.to("c").emit("push", body));
});
http.listen(0, "127.0.0.1", () => console.log(http.address().port));
