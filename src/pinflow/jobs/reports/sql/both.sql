-- Per partition: records that have a clean row and are in quarantine too.
SELECT kept._partition, count(*) AS records
FROM kept JOIN rejects ON kept._partition = rejects._partition AND kept._offset = rejects._offset
GROUP BY kept._partition
