-- mariadb-dump --single-transaction --no-tablespaces helpdesk
CREATE TABLE `alembic_version` (`version_num` varchar(32) NOT NULL, PRIMARY KEY (`version_num`)) ENGINE=InnoDB;
INSERT INTO `alembic_version` VALUES ('0001');
CREATE TABLE `tickets` (
  `id` int NOT NULL AUTO_INCREMENT,
  `reporter` varchar(100) NOT NULL,
  `subject` varchar(200) NOT NULL,
  `state` varchar(20) DEFAULT NULL,
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `tickets` VALUES (1,'user 1','printer','closed'),(2,'user 1','printer','open'),(3,'user 2','screen',NULL);
INSERT INTO `tickets` (`reporter`, `subject`, `state`)
  WITH RECURSIVE n AS (SELECT 4 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900)
  SELECT CONCAT('user ', i % 50), CONCAT('ticket ', i), IF(i % 3 = 0, 'closed', 'open') FROM n;
