import { Laptop, Monitor, Smartphone, Tablet } from 'lucide-react';
import { deviceShape } from '../words/person';

const icons = { laptop: Laptop, tablet: Tablet, phone: Smartphone, desktop: Monitor };

export function DeviceIcon({ name, size }: { name: string; size: number }) {
  const Icon = icons[deviceShape(name)];
  return <Icon size={size} strokeWidth={1.75} />;
}
