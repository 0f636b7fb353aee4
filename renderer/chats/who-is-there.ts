/** Which people of the embedded network have a window open: those whose devices answer. Asked again while the answer is on the screen. */
import { useEffect, useState } from 'react';
import type { PersonValue } from '../../preload/contract';
import { useChorus, useServices } from '../desk/desk';

/** Between two rounds of asking. Only an empty window asks, and only on this computer. */
const askAgainMs = 4_000;

export function useWhoIsThere(people: readonly PersonValue[]): readonly PersonValue[] {
  const { store } = useServices();
  const isRegistered = useChorus((state) => state.registration.state === 'registered');
  const [there, setThere] = useState<ReadonlySet<string>>(new Set());
  const addresses = people.map(({ address }) => address).join(' ');
  useEffect(() => {
    if (!isRegistered || addresses === '') return;
    let timer: ReturnType<typeof setTimeout> | null = null;
    let isShown = true;
    const ask = async () => {
      const all = addresses.split(' ');
      const answers = await Promise.all(all.map((address) => store.call('capabilities', { address })));
      if (!isShown) return;
      setThere(new Set(all.filter((_, index) => answers[index]?.ok)));
      timer = setTimeout(() => void ask(), askAgainMs);
    };
    void ask();
    return () => {
      isShown = false;
      if (timer !== null) clearTimeout(timer);
    };
  }, [store, isRegistered, addresses]);
  return people.filter(({ address }) => there.has(address));
}
