// Pushes records with `fetch`: URL COUNT. Prints the user id of each that is acknowledged.

const [url, count] = [process.argv[2], Number(process.argv[3])];

(async () => {
  for (let number = 0; number < count; number++) {
    const user_id = String(9007199254740993n + BigInt(number)); // a number would be rounded
    const picture = Buffer.alloc(3000, number % 256);
    const data = {
      deviceSN: 'PS71SAMPLEJS',
      recognitionType: 1,
      uuid: `uuid-${number}`,
      recognizeScore: 0.91,
      rgb_image: `data:image/jpeg;base64,${picture.toString('base64')}`,
      pass: true,
      timestamp: 1678450000 + number,
      user: { name: '测试员', user_id, type: 1, groups: [{ id: 3, name: '东门' }] },
    };
    const body = JSON.stringify({ type: 0, data });
    const reply = await fetch(url, { method: 'POST', body });
    const answer = await reply.json();
    if (reply.status !== 200 || answer.code !== 200) throw new Error(JSON.stringify(answer));
    console.log(user_id);
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
