/** The page's only access to the world outside: calls of the contract by name, and its events. The IPC channel itself is never exposed. */
import { contextBridge, type IpcRendererEvent, ipcRenderer } from 'electron';
import { type AppEvent, type ChorusBridge, ipcCallChannel, ipcEventChannel } from './contract';

const bridge: ChorusBridge = {
  call: (name, argument) => ipcRenderer.invoke(ipcCallChannel, name, argument),
  subscribe(listener) {
    // Electron's event object contains its sender, which no page may hold.
    const receive = (_event: IpcRendererEvent, event: AppEvent) => listener(event);
    ipcRenderer.on(ipcEventChannel, receive);
    return () => ipcRenderer.removeListener(ipcEventChannel, receive);
  },
};

contextBridge.exposeInMainWorld('chorus', bridge);
