// A push server on the official Socket.IO servers, as its document describes it.
//
//   node socketio_server.js socket.io-2|socket.io-4 PORT [pingInterval pingTimeout]
//
// Prints a line of JSON for everything that comes. Keeps what is published to an alias until it is
// acknowledged; an alias "kick" is disconnected by a packet, "drop" by its connection.
const [, , library, port = '0', pingInterval = '25000', pingTimeout = '60000'] = process.argv;
const { Server } = require(library);
const old = library.endsWith('2');
const options = { pingInterval: +pingInterval, pingTimeout: +pingTimeout, transports: ['websocket', 'polling'] };
const http = require('http').createServer();
const io = old ? require(library)(http, options) : new Server(http, options);

const queues = new Map();
const topics = new Map();
const links = new Map();
let last = 41;

const say = (event, content) => console.log(JSON.stringify({ event, ...content }));
const of = (map, alias, empty) => map.get(alias) ?? map.set(alias, empty).get(alias);

function deliver(alias, msg, topic) {
  const message = { t: 5, alias, mid: String(last++), msg, ...(topic && { topic }) };
  of(queues, alias, []).push(message);
  links.get(alias)?.emit('push', message);
}

io.on('connection', (socket) => {
  const query = socket.handshake.query;
  const alias = socket.handshake.auth?.alias ?? query.alias;
  say('connection', { alias, query: query.alias, token: socket.handshake.auth?.token, eio: query.EIO });
  if (alias === 'kick') return socket.disconnect();
  if (alias === 'drop') return socket.conn.close();
  links.set(alias, socket);
  socket.emit('connect_c', { t: -14, alias });
  for (const message of of(queues, alias, [])) socket.emit('push', message);

  const on = (name, answer) =>
    socket.on(name, (frame) => {
      say(name, { frame });
      const reply = answer(frame);
      if (reply) socket.emit(name + '_c', reply);
    });
  on('heartbeat', () => ({ t: -1, alias }));
  on('register', ({ topic, untopic = [], num }) => {
    for (const name of topic ?? []) of(topics, alias, new Set()).add(name);
    for (const name of untopic) of(topics, alias, new Set()).delete(name);
    return { t: -2, num };
  });
  on('get_topic', ({ num }) => ({ t: -3, num, topic: [...of(topics, alias, new Set())] }));
  on('pull', ({ num }) => {
    const waiting = of(queues, alias, []);
    return { t: -4, num, msg: waiting.map(({ msg }) => msg), mid: waiting.map(({ mid }) => mid) };
  });
  on('push_c', ({ mid }) => {
    queues.set(alias, of(queues, alias, []).filter((message) => message.mid !== mid));
  });
  on('do_push', ({ method, alias: to = [], topic = [], msg, num }) => {
    if (msg === 'refuse') return { t: 0, num, error: '参数不全' };
    if (method === 'publish_to_alias') for (const name of to) deliver(name, msg);
    for (const name of topic)
      for (const [member, its] of topics) if (its.has(name)) deliver(member, msg, name);
    return { t: -6, num };
  });
  on('info_status', ({ alias: who, num }) => ({
    alias: who,
    num,
    list: [...of(topics, who, new Set())],
    status: links.has(who) ? 'online' : 'offline',
  }));
  socket.on('disconnect', (reason) => {
    if (links.get(alias) === socket) links.delete(alias);
    say('disconnect', { alias, reason });
  });
});

http.listen(+port, '127.0.0.1', () => say('listening', { port: http.address().port }));
