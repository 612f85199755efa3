// A receiver on node's own HTTP server, which reads every record; prints its port.
'use strict';
const http = require('http');

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const { data } = JSON.parse(Buffer.concat(pieces));
    const known = data.user.name.length > 0;
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ code: known ? 200 : 500, msg: 'success', data: {} }));
  });
});
server.keepAliveTimeout = 600000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
