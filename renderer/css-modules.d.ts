// Made from the CSS modules of renderer/: npx vitest run --project unit test/unit/renderer/styles.test.ts -u
declare module '*/App.module.css' {
  const styles: {
    readonly app: string;
    readonly withDetails: string;
  };
  export default styles;
}
declare module '*/StandaloneScreen.module.css' {
  const styles: {
    readonly alone: string;
    readonly centre: string;
  };
  export default styles;
}
declare module '*/Bubble.module.css' {
  const styles: {
    readonly bubble: string;
    readonly bubbleLine: string;
    readonly damaged: string;
    readonly dayBefore: string;
    readonly first: string;
    readonly highlighted: string;
    readonly in: string;
    readonly many: string;
    readonly messageMenu: string;
    readonly meta: string;
    readonly out: string;
    readonly private: string;
    readonly privateLine: string;
    readonly remedy: string;
    readonly said: string;
    readonly saidText: string;
    readonly sender: string;
    readonly via: string;
    readonly waits: string;
    readonly who: string;
  };
  export default styles;
}
declare module '*/Chat.module.css' {
  const styles: {
    readonly addWord: string;
    readonly below: string;
    readonly blockedNote: string;
    readonly chat: string;
    readonly closedNote: string;
    readonly typing: string;
    readonly under: string;
  };
  export default styles;
}
declare module '*/Composer.module.css' {
  const styles: {
    readonly compose: string;
    readonly composer: string;
    readonly private: string;
    readonly privately: string;
    readonly send: string;
  };
  export default styles;
}
declare module '*/ContinuityCards.module.css' {
  const styles: {
    readonly beginning: string;
    readonly continuity: string;
  };
  export default styles;
}
declare module '*/Details.module.css' {
  const styles: {
    readonly continuityLine: string;
  };
  export default styles;
}
declare module '*/FileCard.module.css' {
  const styles: {
    readonly card: string;
    readonly name: string;
  };
  export default styles;
}
declare module '*/MessageInfo.module.css' {
  const styles: {
    readonly idLine: string;
    readonly quote: string;
    readonly quoted: string;
  };
  export default styles;
}
declare module '*/Padlock.module.css' {
  const styles: {
    readonly open: string;
    readonly padlock: string;
  };
  export default styles;
}
declare module '*/PersonRow.module.css' {
  const styles: {
    readonly called: string;
    readonly here: string;
    readonly live: string;
    readonly outcome: string;
    readonly person: string;
    readonly personDevice: string;
    readonly state: string;
    readonly warn: string;
  };
  export default styles;
}
declare module '*/RescuedChat.module.css' {
  const styles: {
    readonly messages: string;
    readonly rescuedChat: string;
  };
  export default styles;
}
declare module '*/SidePane.module.css' {
  const styles: {
    readonly right: string;
  };
  export default styles;
}
declare module '*/Stream.module.css' {
  const styles: {
    readonly column: string;
    readonly new: string;
    readonly older: string;
    readonly stream: string;
    readonly streamFrame: string;
    readonly streamSpacer: string;
    readonly toNewest: string;
  };
  export default styles;
}
declare module '*/StreamRow.module.css' {
  const styles: {
    readonly day: string;
    readonly late: string;
    readonly streamEnd: string;
    readonly typingNote: string;
  };
  export default styles;
}
declare module '*/ConversationList.module.css' {
  const styles: {
    readonly list: string;
  };
  export default styles;
}
declare module '*/ConversationRow.module.css' {
  const styles: {
    readonly accent: string;
    readonly badge: string;
    readonly draft: string;
    readonly last: string;
    readonly line: string;
    readonly name: string;
    readonly on: string;
    readonly row: string;
    readonly two: string;
    readonly typing: string;
    readonly unread: string;
    readonly unreadDot: string;
  };
  export default styles;
}
declare module '*/LeftPane.module.css' {
  const styles: {
    readonly device: string;
    readonly find: string;
    readonly left: string;
    readonly me: string;
    readonly name: string;
    readonly on: string;
    readonly places: string;
  };
  export default styles;
}
declare module '*/NewChat.module.css' {
  const styles: {
    readonly aside: string;
  };
  export default styles;
}
declare module '*/SearchResults.module.css' {
  const styles: {
    readonly foundHeading: string;
    readonly foundMore: string;
    readonly foundNote: string;
  };
  export default styles;
}
declare module '*/DeviceCard.module.css' {
  const styles: {
    readonly called: string;
    readonly clause: string;
    readonly deviceCard: string;
    readonly explain: string;
    readonly facts: string;
    readonly nickname: string;
    readonly outcome: string;
    readonly rowActs: string;
    readonly self: string;
    readonly sign: string;
    readonly top: string;
    readonly wide: string;
  };
  export default styles;
}
declare module '*/Devices.module.css' {
  const styles: {
    readonly block: string;
    readonly checked: string;
    readonly choices: string;
    readonly deviceCards: string;
  };
  export default styles;
}
declare module '*/Pair.module.css' {
  const styles: {
    readonly choice: string;
    readonly choices: string;
    readonly code: string;
    readonly confirm: string;
    readonly field: string;
    readonly foot: string;
    readonly over: string;
    readonly paired: string;
    readonly question: string;
    readonly until: string;
  };
  export default styles;
}
declare module '*/RenameDevice.module.css' {
  const styles: {
    readonly rename: string;
  };
  export default styles;
}
declare module '*/Gallery.module.css' {
  const styles: {
    readonly frame: string;
    readonly gallery: string;
    readonly list: string;
    readonly stage: string;
  };
  export default styles;
}
declare module '*/AddPeople.module.css' {
  const styles: {
    readonly consequences: string;
  };
  export default styles;
}
declare module '*/GroupCard.module.css' {
  const styles: {
    readonly do: string;
    readonly done: string;
    readonly live: string;
    readonly part: string;
    readonly step: string;
    readonly steps: string;
    readonly what: string;
    readonly why: string;
  };
  export default styles;
}
declare module '*/GroupPicture.module.css' {
  const styles: {
    readonly called: string;
    readonly do: string;
    readonly groupLook: string;
  };
  export default styles;
}
declare module '*/FillingNotice.module.css' {
  const styles: {
    readonly bar: string;
    readonly count: string;
  };
  export default styles;
}
declare module '*/InvitationCard.module.css' {
  const styles: {
    readonly do: string;
    readonly invitation: string;
  };
  export default styles;
}
declare module '*/Notices.module.css' {
  const styles: {
    readonly inList: string;
    readonly notices: string;
  };
  export default styles;
}
declare module '*/AnonymousMark.module.css' {
  const styles: {
    readonly masked: string;
  };
  export default styles;
}
declare module '*/Avatar.module.css' {
  const styles: {
    readonly avatar: string;
    readonly s20: string;
    readonly s24: string;
    readonly s28: string;
    readonly s32: string;
    readonly s36: string;
    readonly s64: string;
    readonly stacked: string;
  };
  export default styles;
}
declare module '*/BackButton.module.css' {
  const styles: {
    readonly back: string;
  };
  export default styles;
}
declare module '*/Banner.module.css' {
  const styles: {
    readonly bad: string;
    readonly banner: string;
    readonly warn: string;
  };
  export default styles;
}
declare module '*/Cause.module.css' {
  const styles: {
    readonly cause: string;
  };
  export default styles;
}
declare module '*/Choice.module.css' {
  const styles: {
    readonly segments: string;
  };
  export default styles;
}
declare module '*/ChoiceCard.module.css' {
  const styles: {
    readonly about: string;
    readonly name: string;
    readonly radio: string;
    readonly sign: string;
    readonly way: string;
    readonly ways: string;
  };
  export default styles;
}
declare module '*/DeviceDot.module.css' {
  const styles: {
    readonly bad: string;
    readonly checking: string;
    readonly dot: string;
    readonly off: string;
    readonly ok: string;
  };
  export default styles;
}
declare module '*/Dialog.module.css' {
  const styles: {
    readonly body: string;
    readonly dialog: string;
    readonly foot: string;
    readonly head: string;
  };
  export default styles;
}
declare module '*/Empty.module.css' {
  const styles: {
    readonly bad: string;
    readonly choices: string;
    readonly empty: string;
    readonly fills: string;
    readonly sign: string;
  };
  export default styles;
}
declare module '*/ErrorNote.module.css' {
  const styles: {
    readonly details: string;
  };
  export default styles;
}
declare module '*/Menu.module.css' {
  const styles: {
    readonly danger: string;
    readonly menu: string;
  };
  export default styles;
}
declare module '*/Page.module.css' {
  const styles: {
    readonly inner: string;
    readonly page: string;
  };
  export default styles;
}
declare module '*/PeoplePicker.module.css' {
  const styles: {
    readonly chip: string;
    readonly name: string;
    readonly noSuggestion: string;
    readonly on: string;
    readonly picker: string;
    readonly suggestion: string;
    readonly suggestions: string;
  };
  export default styles;
}
declare module '*/ProgressLine.module.css' {
  const styles: {
    readonly progressLine: string;
  };
  export default styles;
}
declare module '*/Section.module.css' {
  const styles: {
    readonly section: string;
  };
  export default styles;
}
declare module '*/SettingRow.module.css' {
  const styles: {
    readonly option: string;
    readonly registration: string;
    readonly top: string;
    readonly value: string;
    readonly what: string;
  };
  export default styles;
}
declare module '*/StateMark.module.css' {
  const styles: {
    readonly failed: string;
    readonly mark: string;
    readonly read: string;
  };
  export default styles;
}
declare module '*/Switch.module.css' {
  const styles: {
    readonly switch: string;
  };
  export default styles;
}
declare module '*/Typing.module.css' {
  const styles: {
    readonly dots: string;
  };
  export default styles;
}
declare module '*/WelcomePage.module.css' {
  const styles: {
    readonly brand: string;
    readonly lead: string;
    readonly sheet: string;
    readonly welcome: string;
  };
  export default styles;
}
declare module '*/Settings.module.css' {
  const styles: {
    readonly on: string;
    readonly panel: string;
    readonly settings: string;
  };
  export default styles;
}
declare module '*/Shortcuts.module.css' {
  const styles: {
    readonly keys: string;
  };
  export default styles;
}
declare module '*/DamagedHistory.module.css' {
  const styles: {
    readonly beginAnew: string;
    readonly choices: string;
    readonly name: string;
    readonly rescueSaid: string;
    readonly rescued: string;
  };
  export default styles;
}
declare module '*/FirstRun.module.css' {
  const styles: {
    readonly erased: string;
    readonly people: string;
  };
  export default styles;
}
declare module '*/Form.module.css' {
  const styles: {
    readonly form: string;
    readonly nameAndStart: string;
    readonly pair: string;
    readonly welcomeForm: string;
  };
  export default styles;
}
declare module '*/ServerCheck.module.css' {
  const styles: {
    readonly bad: string;
    readonly good: string;
    readonly serverCheck: string;
  };
  export default styles;
}
declare module '*/SignInAdvanced.module.css' {
  const styles: {
    readonly advanced: string;
    readonly check: string;
  };
  export default styles;
}
declare module '*/SignInForm.module.css' {
  const styles: {
    readonly toggle: string;
  };
  export default styles;
}
