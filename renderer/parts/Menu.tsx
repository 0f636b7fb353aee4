import { type KeyboardEvent, type ReactNode, useLayoutEffect, useRef, useState } from 'react';
import { cx } from './cx';
import styles from './Menu.module.css';

export interface MenuItem {
  label: string;
  testId: string;
  icon: ReactNode;
  isDangerous?: boolean;
  onChoose: () => void;
}

interface MenuProps {
  label: string;
  testId: string;
  /** The button's content. */
  children: ReactNode;
  items: readonly MenuItem[];
  className?: string;
  tabIndex?: number;
  /** Keys on the button that are not the menu's own. */
  onKeyDown?: (event: KeyboardEvent<HTMLButtonElement>) => void;
}

/** Between the menu and the edge of the window, CSS pixels. */
const edge = 8;

/** A button with a menu (WAI-ARIA menu button): arrows, Home, End, Esc. It lies in the top layer, so nothing cuts it off. */
export function Menu({ label, testId, children, items, className, tabIndex, onKeyDown }: MenuProps) {
  const [isOpen, setIsOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const list = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const menu = list.current;
    const at = button.current?.getBoundingClientRect();
    if (!isOpen || menu === null || at === undefined) return;
    const close = (event: Event) => {
      if ((event as ToggleEvent).newState === 'closed') setIsOpen(false);
    };
    menu.addEventListener('toggle', close);
    menu.showPopover();
    const box = menu.getBoundingClientRect();
    const below = at.bottom + box.height + edge <= innerHeight;
    menu.style.left = `${Math.max(edge, Math.min(at.right - box.width, innerWidth - box.width - edge))}px`;
    menu.style.top = `${Math.max(edge, below ? at.bottom + 2 : at.top - box.height - 2)}px`;
    menu.querySelector<HTMLElement>('[role="menuitem"]')?.focus();
    return () => menu.removeEventListener('toggle', close);
  }, [isOpen]);

  const close = () => {
    setIsOpen(false);
    button.current?.focus();
  };

  const onMenuKey = (event: KeyboardEvent) => {
    const all = [...(list.current?.querySelectorAll<HTMLElement>('[role="menuitem"]') ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const next = { ArrowDown: at + 1, ArrowUp: at - 1 + all.length, Home: 0, End: all.length - 1 }[event.key];
    if (event.key === 'Escape' || event.key === 'Tab') close();
    if (next !== undefined) all[next % all.length]?.focus();
    if (event.key === 'Escape' || next !== undefined) event.preventDefault();
    event.stopPropagation();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={cx('icon-button', className, isOpen && 'on')}
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={isOpen}
        title={label}
        tabIndex={tabIndex}
        data-testid={testId}
        onClick={() => setIsOpen(!isOpen)}
        onKeyDown={onKeyDown}
      >
        {children}
      </button>
      {isOpen ? (
        <div ref={list} popover="auto" role="menu" aria-label={label} tabIndex={-1} className={styles.menu} onKeyDown={onMenuKey}>
          {items.map((item) => (
            <button
              key={item.testId}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={item.isDangerous === true ? styles.danger : undefined}
              data-testid={item.testId}
              onClick={() => {
                close();
                item.onChoose();
              }}
            >
              {item.icon}
              {item.label}
            </button>
          ))}
        </div>
      ) : null}
    </>
  );
}
