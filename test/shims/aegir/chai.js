// Stands in for `aegir/chai`, the only module of aegir that the compliance suite needs.
import chai from 'chai'
import chaiAsPromised from 'chai-as-promised'
import chaiBites from 'chai-bites'
import chaiParentheses from 'chai-parentheses'
import chaiString from 'chai-string'
import chaiSubset from 'chai-subset'

// chai-parentheses has to wrap before the plug-ins that define properties
for (const plugin of [chaiAsPromised, chaiParentheses, chaiSubset, chaiBites, chaiString]) {
  chai.use(plugin)
}

export const expect = chai.expect
export const assert = chai.assert
export { chai }
