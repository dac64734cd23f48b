// Reporter for node --test: one JSON line with the counts of the run.
// biome-ignore lint/style/noDefaultExport: node --test takes the default export of a reporter
export default async function* countReporter(source) {
  for await (const { type, data } of source) {
    // the summary without a file is that of the whole run
    if (type === 'test:summary' && data.file === undefined) {
      const { passed, failed, cancelled, skipped, todo } = data.counts
      yield `${JSON.stringify({ passed, failed: failed + cancelled, skipped: skipped + todo })}\n`
    }
  }
}
