// Receives by one version of socket.io-client what others send, prints it and sends it back.
// usage: node zzw_witness.js VERSION URL ALIAS TRANSPORT
'use strict';
const [version, url, alias, transport] = process.argv.slice(2);
const io = require(`socket.io-client-${version}`);

const socket = io(url, { transports: [transport], query: { alias } });
socket.on('connect_c', () => console.log(JSON.stringify({ ready: alias })));
socket.on('push', ({ mid, msg }) => {
  console.log(JSON.stringify({ msg }));
  socket.emit('push_c', { t: -5, alias, mid });
  const [sender, text] = msg.split('|');
  socket.emit('do_push', { t: 6, alias: [sender], msg: `${alias}|${text}`, num: mid });
});
