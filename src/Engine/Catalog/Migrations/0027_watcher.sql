-- That the health monitor looks is promised too.
ALTER TABLE promise_broken DROP CONSTRAINT promise_broken_promise_check;
-- rpo: more of a source would be lost than its class allows; rotation: a workspace's keys are older than its classes allow; watcher: nobody looks whether sources work.
ALTER TABLE promise_broken ADD CONSTRAINT promise_broken_promise_check CHECK (promise IN ('rpo', 'rotation', 'watcher'));
