// A subscriber on `ws`; prints the CPU time, in ns, of the EVENTS that follow the FIRST.
// usage: node ws_receive.js WS_URL FIRST EVENTS DEVICE
'use strict';
const WebSocket = require('ws');

const [url, first, events, device] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: false });
let before = Number(first);
let left = Number(events);
let start;
let faces = 0;

socket.on('open', () => {
  socket.send(JSON.stringify({ need_face: true, need_register: true, event_list: [device] }));
});
socket.on('message', (data) => {
  const event = JSON.parse(data);
  faces += event.identity_name.length > 0;
  if (before > 0) {
    before -= 1;
    if (before === 0) start = process.cpuUsage();
    return;
  }
  left -= 1;
  if (left === 0) {
    const { user, system } = process.cpuUsage(start);
    console.log((user + system) * 1000);
    process.exit(0);
  }
});
socket.on('close', () => process.exit(1));
socket.on('error', (error) => { console.error(String(error)); process.exit(1); });
