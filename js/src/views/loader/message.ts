/** Whether the kernel's message has the bundle that was asked for; a view's model gets other messages, too. */
export function hasScript(message: unknown): message is { script: string } {
  return (
    typeof message === "object" && message !== null && typeof (message as { script?: unknown }).script === "string"
  );
}
