declare module 'node-gyp-build' {
  /** Loads the addon below `dir` that fits this platform. Throws where there is none. */
  function load(dir: string): unknown
  export = load
}
