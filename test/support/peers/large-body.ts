/**
 * Runs as its own process, so that its memory can be limited. Sends one body with as many octets as its argument says from one MSRP
 * endpoint to another over loopback; the body is created and hashed on the fly. Prints one JSON line with both hashes, the seconds it took,
 * and the peak memory in MiB.
 */
import { createHash } from 'node:crypto';
import { systemClock } from '../../../base/clock';
import { silentLogger } from '../../../base/log';
import { MsrpEndpoint } from '../../../main/msrp/endpoint';
import { type MessageSink, sourceOf } from '../../../main/msrp/session';

const size = Number(process.argv[2]);
const blockBytes = 256 * 1024;

async function run(): Promise<void> {
  const [from, to] = [
    new MsrpEndpoint({ clock: systemClock, log: silentLogger }),
    new MsrpEndpoint({ clock: systemClock, log: silentLogger }),
  ];
  const [sender, receiver] = [await from.prepare(), await to.prepare()];
  const [sent, got] = [createHash('sha1'), createHash('sha1')];

  const pattern = new Uint8Array(blockBytes).map((_, index) => (index * 31) & 0xff);
  function* body(): Generator<Uint8Array> {
    for (let at = 0; at < size; at += blockBytes) {
      // All blocks differ, so that a lost, repeated or misplaced block changes the hash.
      const block = pattern.slice(0, Math.min(blockBytes, size - at));
      new DataView(block.buffer).setFloat64(0, at);
      sent.update(block);
      yield block;
    }
  }

  const sink: MessageSink = {
    write: (octets) => void got.update(octets),
    end: () => undefined,
    abort: () => undefined,
  };
  receiver.openSink = () => sink;
  await Promise.all([receiver.start([...sender.path], 'passive'), sender.start([...receiver.path], 'active')]);
  const begun = performance.now();
  await sender.send({ contentType: 'application/octet-stream', body: sourceOf(body(), size) });
  const seconds = (performance.now() - begun) / 1000;
  process.stdout.write(
    `${JSON.stringify({ sent: sent.digest('hex'), got: got.digest('hex'), seconds, mebibytes: process.resourceUsage().maxRSS / 1024 })}\n`,
  );
  from.dispose();
  to.dispose();
}

void run();
