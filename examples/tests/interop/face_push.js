// Pushes records as a terminal does, with what Node brings along: fetch.
//
// face_push.js URL FIRST LAST
const [url, first, last] = process.argv.slice(2);
const jpeg = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), Buffer.alloc(9000, 7)]);

async function main() {
  for (let number = Number(first); number <= Number(last); number += 1) {
    const body = JSON.stringify({
      type: 0,
      data: {
        deviceSN: "NODE",
        recognitionType: 2,
        recognizeScore: 0.75,
        rgb_image: jpeg.toString("base64"),
        pass: false,
        user: { name: "样例小明", user_id: String(9007199254740992n + BigInt(number)), type: 2 },
        timestamp: 1660625866 + number,
      },
    });
    // In chunks every other time: a stream has no length.
    const stream = new Blob([body]).stream();
    const form = number % 2 ? { body } : { body: stream, duplex: "half" };
    const reply = await fetch(url, { method: "POST", ...form });
    const answer = await reply.json();
    if (reply.status !== 200 || answer.code !== 200) throw new Error(JSON.stringify(answer));
  }
  console.log("acknowledged", last - first + 1);
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
