import { useEffect, useState } from 'react';
import { useServices } from './desk';

/** Where the picture of a group is drawn from; null while it has none, or none that is here yet. */
export function useIcon({ conversation, icon }: { conversation: string; icon: string | null }): string | null {
  const { icons } = useServices();
  const [, setFetched] = useState('');
  useEffect(() => {
    if (icon === null || icons.known(icon) !== null) return;
    let isWanted = true;
    void icons.fetch(conversation, icon).then((url) => {
      if (isWanted && url !== null) setFetched(url);
    });
    return () => {
      isWanted = false;
    };
  }, [icons, conversation, icon]);
  return icon === null ? null : icons.known(icon);
}
