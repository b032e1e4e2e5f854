/** A way to a server on which packets vanish: connections fall silent without ending. */
import { type AddressInfo, connect, createServer } from 'node:net';

/** A proxy whose connections can fall silent. */
export interface DeafProxy extends Disposable {
  readonly url: string;
  /** From now on nothing passes on the connections there are; later ones are served. */
  silence(): void;
}

/** Opens it before the server of `target`. */
export async function openDeafProxy(target: string): Promise<DeafProxy> {
  const { hostname, port } = new URL(target);
  let generation = 0;
  const server = createServer((near) => {
    const own = generation;
    const far = connect({ host: hostname, port: Number(port) });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => {
        if (own === generation) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => {
        if (own === generation) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: url.toString(),
    silence: () => void generation++,
    [Symbol.dispose]: () => void server.close(),
  };
}
