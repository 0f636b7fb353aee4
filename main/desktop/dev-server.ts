/**
 * The page from a development server (`npm run dev`) instead of the built one. It keeps its address, app://chorus/, and so
 * every check of the sender. The policy is relaxed in two points only: the server's styles are inside the page, and it sends updates over one WebSocket.
 */
import { contentSecurityPolicy } from './content-policy';

export interface DevServer {
  answer(request: { method: string; url: string; headers: Headers }): Promise<Response>;
  /** Whether the page may open this URL, which is not its own. */
  mayOpen(url: string): boolean;
}

/** A server on this computer alone, such as `http://127.0.0.1:5173`. Null for any other. */
export function parseDevServer(text: string): URL | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  return url.protocol === 'http:' && url.hostname === '127.0.0.1' && url.port !== '' && url.pathname === '/' ? url : null;
}

export function devPolicy(server: URL): string {
  const eased: Readonly<Record<string, string>> = {
    "style-src 'self'": "style-src 'self' 'unsafe-inline'",
    "connect-src 'none'": `connect-src 'self' ws://${server.host}`,
  };
  return contentSecurityPolicy
    .split('; ')
    .map((directive) => eased[directive] ?? directive)
    .join('; ');
}

export function createDevServer(server: URL): DevServer {
  const headers = { 'content-security-policy': devPolicy(server), 'x-content-type-options': 'nosniff' };
  return {
    async answer({ method, url, headers: asked }) {
      if (method !== 'GET') return new Response(null, { status: 405, headers });
      const { pathname, search } = new URL(url);
      try {
        const {
          status,
          headers: said,
          body,
        } = await fetch(new URL(`${pathname}${search}`, server), {
          // A stylesheet and a module that brings one have the same path.
          headers: { accept: asked.get('accept') ?? '*/*' },
        });
        return new Response(body, {
          status,
          headers: { 'content-type': said.get('content-type') ?? 'application/octet-stream', ...headers },
        });
      } catch {
        // The development server has ended before the window.
        return new Response(null, { status: 502, headers });
      }
    },
    mayOpen: (url) => url.startsWith(`ws://${server.host}/`),
  };
}
