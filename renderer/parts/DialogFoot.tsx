import { useServices } from '../desk/desk';
import { words } from '../words/text';
import { cx } from './cx';

interface DialogFootProps {
  /** What the dialog is for, in a word or two. */
  act: string;
  testId: string;
  disabled: boolean;
  onAct: () => void;
  /** It takes something away: then the way back has the focus first. */
  isDangerous?: boolean;
  /** The way back, where it is not "Cancel". */
  back?: string;
}

/** The two ways out of a dialog. */
export function DialogFoot({ act, testId, disabled, onAct, isDangerous = false, back = words.cancel }: DialogFootProps) {
  const { desk } = useServices();
  return (
    <>
      <button type="button" className="button quiet" data-first-focus={isDangerous ? '' : undefined} onClick={() => desk.closeDialog()}>
        {back}
      </button>
      <button
        type="button"
        className={cx('button', isDangerous ? 'danger' : 'primary')}
        disabled={disabled}
        data-testid={testId}
        onClick={onAct}
      >
        {act}
      </button>
    </>
  );
}
