/** Those who change the page beside React: browsers' translators, extensions, password managers. */

import "streamator-react/poll"; // what is loaded when it is first used would come at another time in each scenario
import "streamator-react/recovery";
import { guard } from "streamator-react";
import { OTHERS as OTHERS_OF_PANELS, wrapper } from "../../libs/streamator-react/tests/support/others";

export { playTwice } from "../../libs/streamator-react/tests/support/others";
export type { Step } from "../../libs/streamator-react/tests/support/others";

guard(Node.prototype); // as main.tsx does

export const OTHERS = [...OTHERS_OF_PANELS, ["an extension that wraps elements", wrapper("p, li, a, button, section")] as const];
