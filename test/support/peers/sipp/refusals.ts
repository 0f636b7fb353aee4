/** A SIPp scenario with one block for each status, because SIPp allows no variable in a status line. */

/** Registers anybody. The address sip:404@ refuses INVITE and MESSAGE with 404, and so on for each of `statuses`. */
export function refusalScenario(statuses: readonly number[]): string {
  const ask = statuses.map((status) => `<ereg regexp="^[A-Z]+ sip:${status}@" search_in="msg" assign_to="is${status}"/>`);
  const choose = (method: string) => statuses.map((status) => `<nop next="${method}${status}" test="is${status}"/>`);
  const refuse = (method: string, after: (status: number) => string) =>
    statuses.map((status) => `<label id="${method}${status}"/>${answer(`${status} Said by SIPp`, method === 'MESSAGE')}${after(status)}`);
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="refusals">
  <recv request="REGISTER" optional="true" next="register">
    <action>
      <ereg regexp="&lt;(sip:[^&gt;]+)&gt;.*;[+]sip[.]instance=.&lt;(urn:uuid:[-0-9a-f]+)&gt;" search_in="hdr" header="Contact:" check_it="true" assign_to="all,flow,instance"/>
    </action>
  </recv>
  <recv request="SUBSCRIBE" optional="true" next="events"/>
  <recv request="MESSAGE" optional="true" next="message"><action>${ask.join('')}</action></recv>
  <recv request="INVITE"><action>${ask.join('')}</action></recv>
  ${choose('INVITE').join('\n  ')}
  ${refuse('INVITE', () => '<recv request="ACK" next="end"/>').join('\n  ')}
  <label id="message"/>
  ${choose('MESSAGE').join('\n  ')}
  ${refuse('MESSAGE', () => '').join('\n  ')}
  <label id="register"/>${answer('200 OK', true, 'Contact: <[$flow]>;+sip.instance="<[$instance]>";expires=600')}
  <label id="events"/>${answer('489 Bad Event', true)}
  <label id="end"/>
  <Reference variables="all,flow,instance,${statuses.map((status) => `is${status}`).join()}"/>
</scenario>
`;
}

function answer(line: string, isLast: boolean, ...headers: string[]): string {
  const lines = [
    `SIP/2.0 ${line}`,
    '[last_Via:]',
    '[last_From:]',
    '[last_To:];tag=no-[pid]-[call_number]',
    '[last_Call-ID:]',
    '[last_CSeq:]',
    ...headers,
    'Content-Length: 0',
  ];
  return `<send${isLast ? ' next="end"' : ''}><![CDATA[\n${lines.join('\n')}\n\n]]></send>`;
}
