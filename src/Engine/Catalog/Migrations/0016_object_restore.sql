-- What a restore of Kubernetes objects has done in its target: enough to go on after a crash, and to take it back.
-- What the objects were before is in the repository, encrypted, since Secrets are among them.
CREATE TABLE object_restore (
    operation text NOT NULL,
    position integer NOT NULL,
    uid text NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (operation, position)
);
