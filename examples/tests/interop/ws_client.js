// A subscriber on `ws`, which answers pings by itself and offers compression.
// usage: node ws_client.js WS_URL COUNT DEVICE...
'use strict';
const WebSocket = require('ws');

const [url, count, ...devices] = process.argv.slice(2);
const socket = new WebSocket(url + '/any/path?of=ours');
let left = Number(count);
let pings = 0;
let pongs = 0;

socket.on('open', () => {
  socket.send(JSON.stringify({ need_face: true, need_register: true, event_list: devices }, null, 2));
  socket.ping('are you there');
});
socket.on('ping', () => { pings += 1; });
socket.on('pong', (data) => { if (data.toString() === 'are you there') pongs += 1; });
socket.on('message', (data) => {
  if (left === 0) return; // on its way before the close was
  const event = JSON.parse(data);
  console.log(JSON.stringify({ event_id: event.event_id, name: event.identity_name }));
  left -= 1;
  if (left === 0) {
    console.error(`extensions=${socket.extensions} pings=${pings} pongs=${pongs}`);
    socket.close(1000);
  }
});
socket.on('close', (code) => process.exit(left === 0 ? 0 : 1));
socket.on('error', (error) => { console.error(String(error)); process.exit(1); });
