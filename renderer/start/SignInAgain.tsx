import { useChorus, useServices } from '../desk/desk';
import { Dialog } from '../parts/Dialog';
import { words } from '../words/text';
import { SignInForm } from './SignInForm';

export function SignInAgain() {
  const { desk } = useServices();
  const account = useChorus((state) => state.account);
  if (account === null) return null;
  return (
    <Dialog title={words.first.againTitle} testId="sign-in-again-dialog" onClose={() => desk.closeDialog()}>
      <SignInForm
        address={account.aor}
        deviceName={account.deviceName}
        media={{ msrpRelay: account.msrpRelay ?? '', mediaTls: account.mediaTls }}
        submitWords={words.first.signIn}
        onDone={() => desk.closeDialog()}
      />
    </Dialog>
  );
}
