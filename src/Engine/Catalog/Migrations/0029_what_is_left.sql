-- Why a step's way back failed, beside why the step itself did, if it did.
ALTER TABLE recovery_step ADD COLUMN rollback_error text;
-- Whether an approval counted when its run came to the gate; null where none has come yet, or came before this was written down.
ALTER TABLE approval_vote ADD COLUMN counted boolean;
