export function quicAddonMissing(): string | undefined
