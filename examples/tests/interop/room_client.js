// Goes into a room with ws, as room_client.py does: URL STEP...

const crypto = require('crypto')
const WebSocket = require('ws')

const [url, ...steps] = process.argv.slice(2)
const link = new WebSocket(url)
const heard = []
let wanted = null

function note (line) {
  heard.push(line)
  if (wanted) wanted()
}

async function next () {
  while (heard.length === 0) await new Promise((resolve) => { wanted = resolve })
  return heard.shift()
}

link.on('message', (data, isBinary) => {
  const hash = () => crypto.createHash('sha256').update(data).digest('hex')
  note(isBinary ? `binary ${data.length} ${hash()}` : `text ${data}`)
})
link.on('close', (code) => note(`closed ${code}`))
link.on('open', async () => {
  console.log('in')
  for (const step of steps) {
    const [verb, ...rest] = step.split(':')
    if (verb === 'say') link.send(rest.join(':'))
    else if (verb === 'show') link.send(Buffer.alloc(Number(rest[0]), Number(rest[1])))
    else console.log(await next())
  }
  link.close()
})
